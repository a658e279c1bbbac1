"""One real model for each kind, on data that is fetched and never redistributed."""
