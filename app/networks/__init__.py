"""Networks as people defined them, and the catalog of what they are made of."""
