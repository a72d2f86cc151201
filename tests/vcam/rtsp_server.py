"""A real RTSP server for one test: `python rtsp_server.py PORT`, a moving picture as JPEG, 30 fps.

Runs in a process of its own, so that the test can kill it. Needs PyGObject and gst-rtsp-server.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer

Gst.init(None)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(
    "( videotestsrc is-live=true pattern=smpte "
    "! video/x-raw,format=I420,width=320,height=240,framerate=30/1 "  # JPEG over RTP is 4:2:0
    "! jpegenc ! rtpjpegpay name=pay0 pt=26 )"
)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
server.get_mount_points().add_factory("/glasses", factory)
if not server.attach(None):
    sys.exit(f"port {sys.argv[1]} cannot be used")
print("ready", flush=True)
GLib.MainLoop().run()
