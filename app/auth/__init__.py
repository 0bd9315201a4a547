"""Keys and what they permit; the gate that every request passes."""
