"""Images, labels and lists as Darknet reads them."""
