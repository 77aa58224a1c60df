"""What tests of several rooms share: writers of data, and small runs."""
