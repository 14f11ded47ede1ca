"""What a run looks like: progress, curves, one page. It takes plain data and knows no task."""
