"""Where corpora come from: DagsHub, Kaggle, the web, archives, folders; the demo corpus."""
