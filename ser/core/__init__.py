"""What every part speaks: settings, tables, arrays on disk, errors, kinds of features."""
