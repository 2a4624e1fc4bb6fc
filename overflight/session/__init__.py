"""``overflight session``: look into session files, cut, convert and export them."""
