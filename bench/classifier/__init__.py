"""What the classifier is worth: quality on test splits, robustness, time and memory of the service."""
