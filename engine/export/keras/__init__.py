"""A network's weights under Keras' names, in Keras' shapes and orders."""
