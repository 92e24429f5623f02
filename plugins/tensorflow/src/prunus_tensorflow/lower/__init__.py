"""The neutral graph under construction, for graphs and Keras models alike."""
