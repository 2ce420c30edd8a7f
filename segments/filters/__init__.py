"""The filters that segments are made of, one small class each. See ``registry``."""
