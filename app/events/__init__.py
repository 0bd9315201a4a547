"""What happened to a job, appended in order."""
