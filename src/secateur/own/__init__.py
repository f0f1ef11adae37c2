"""A network of a user's own: ranked on some images, cut, held against the whole one, and written with its report."""
