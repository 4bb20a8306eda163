"""Language models: chat encoding, packing, students and their folders, sampling."""
