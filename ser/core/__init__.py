"""What all packages share: settings, tables, arrays on disk, errors, kinds of features."""
