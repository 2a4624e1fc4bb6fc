"""Decoding of GNSS receivers: bytes in, fixes out, everything else counted. No I/O here.

`framing` cuts a byte stream into sentences and messages, `nmea_decoder` and `ubx_decoder` turn
them into what a receiver said, `epochs` gathers that into one fix an epoch, `stream` joins them.
"""
