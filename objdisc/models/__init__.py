"""Networks: encoders that turn images into features."""
