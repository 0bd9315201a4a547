"""The service: HTTP in, trained networks out. Contains no mathematics."""
