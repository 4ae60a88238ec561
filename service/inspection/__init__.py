"""From an image file back to the parameters that drew it. All that is read here comes from strangers."""
