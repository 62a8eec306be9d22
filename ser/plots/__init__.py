"""Every picture of the project: of the dataset and of the results, in one style."""
