"""A small net's settings, which tests change one by one."""

PLAIN_MODEL = {
    "name": "cnn",
    "layers": 3,
    "width": 4,
    "dropout": 0.0,
    "length": "own",
    "frames": 32,
    "copies": "one",
    "batch_size": 8,
    "epochs": 1,
    "optimizer": "adamw",
    "learning_rate": 0.01,
    "weight_decay": 0.0,
    "schedule": "constant",
    "label_smoothing": 0.0,
    "mixup": 0.0,
    "frequency_mask": 0,
    "time_mask": 0,
    "patience": 0,
    "seed": 0,
}
