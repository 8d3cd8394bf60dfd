# The bugs of the CUDA twins: page, what is wrong, the page's text (it must occur exactly once), what stands there instead.
