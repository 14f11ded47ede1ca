"""Networks that are pretrained here, without anybody's pictures."""
