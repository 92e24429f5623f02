"""TensorFlow graphs, Keras models and SavedModels for prunus."""
