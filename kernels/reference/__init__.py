"""What each C kernel computes, stated in numpy: slow, plain, and equal to TFLite's reference kernels bit for bit.

Feature maps are (h, w, c) int8, one example at a time. Quantized numbers stand for `scale · (q − zero)`.
"""
