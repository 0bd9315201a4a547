"""What both clients share: which requests are made and what their answers mean. Nothing here waits for anything."""
