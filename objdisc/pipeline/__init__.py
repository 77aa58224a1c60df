"""What commands share: from options to a job whose every part was checked, and to a folder that it may write to."""
