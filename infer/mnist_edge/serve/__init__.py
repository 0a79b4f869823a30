"""`mnist-edge serve`: predictions and readings over HTTP, for the device that has the camera.

::

    request -> guard -> pictures -> workers -> rows -> response

Needs the extra ``serve``. Nothing here is imported by the rest of the package.
"""
