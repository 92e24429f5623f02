"""ncnn's .param and .bin files for prunus."""
