"""Follow a session with nothing but pyzmq: python observe.py FEED_ADDRESS SESSION_UID"""
import json, sys, zmq  # noqa: E401, I001

address, uid = sys.argv[1:]
feed = zmq.Context().socket(zmq.SUB)
feed.connect(address)
feed.subscribe(uid)
while True:
    topic, envelope, signature, header, parent, metadata, content, *buffers = feed.recv_multipart()
    header = json.loads(header)
    print(header.get("number", "-"), header["msg_type"], content.decode(), flush=True)
