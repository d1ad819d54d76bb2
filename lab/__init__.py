"""Everything around a network: settings, data, devices, training, runs on disk, evaluation, figures."""
