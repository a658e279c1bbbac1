"""Hold connecting passengers? A model of kind `ml` on the departures from New York in 2013."""
