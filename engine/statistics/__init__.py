"""What tables say of each other, and columns of each other: drift and correlation."""
