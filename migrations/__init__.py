"""The steps from an empty database to the tables of app/*/store.py; app/schema.py runs them."""
