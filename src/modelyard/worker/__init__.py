"""The worker: loops that reconcile, sequence, measure and run jobs. Any number of workers may run on one database."""
