"""A gRPC server, and a client that reaches it through a gateway. Messages are bytes, so no schema is compiled.

Prints `server PORT`; then reads from standard input one JSON object a line, {"address": "HOST:PORT", "ca": FILE or null},
and for each runs every check through that address: `ok NAME` or `FAILED NAME: WHY`. Ends at the end of the input, with 1
if any check failed.
"""

import json
import sys
import threading
import time
import traceback
from concurrent import futures

import grpc

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
PATIENCE = 30


class Service(grpc.GenericRpcHandler):
    """Every kind of call; what it saw of cancelled calls is in `cancelled`, by the call's name."""

    def __init__(self):
        self.cancelled = {}

    def service(self, details):
        name = details.method.rsplit("/", 1)[1]
        kinds = {
            "Unary": grpc.unary_unary_rpc_method_handler,
            "Fail": grpc.unary_unary_rpc_method_handler,
            "Forever": grpc.unary_unary_rpc_method_handler,
            "Collect": grpc.stream_unary_rpc_method_handler,
            "Count": grpc.unary_stream_rpc_method_handler,
            "FailLate": grpc.unary_stream_rpc_method_handler,
            "Chat": grpc.stream_stream_rpc_method_handler,
        }
        kind = kinds.get(name)
        return kind and kind(getattr(self, name))

    def event(self, name):
        return self.cancelled.setdefault(name, threading.Event())

    def Unary(self, request, context):
        sent = dict(context.invocation_metadata())
        context.send_initial_metadata([("x-first", sent.get("x-asked", ""))])
        context.set_trailing_metadata([("x-last", "end"), ("x-data-bin", b"\x00\xff\x01")])
        return request

    def Fail(self, request, context):
        context.set_trailing_metadata([("x-why", "test")])
        context.abort(grpc.StatusCode.NOT_FOUND, "no such thing: \u00fc %")

    def Forever(self, request, context):
        name = request.decode()
        remaining = context.time_remaining()
        ended = threading.Event()
        context.add_callback(ended.set)
        if ended.wait(PATIENCE):
            self.event(name).remaining = remaining
            self.event(name).set()
        return b""

    def Collect(self, requests, context):
        count = total = 0
        for request in requests:
            count += 1
            total += len(request)
        return f"{count} {total}".encode()

    def Count(self, request, context):
        for number in range(int(request)):
            yield str(number).encode()

    def FailLate(self, request, context):
        yield b"one"
        yield b"two"
        context.set_trailing_metadata([("x-why", "late")])
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "that was all")

    def Chat(self, requests, context):
        ended = threading.Event()
        context.add_callback(ended.set)
        name = dict(context.invocation_metadata()).get("x-name")
        try:
            for request in requests:
                yield request[::-1]
        finally:
            if name and ended.wait(PATIENCE):
                self.event(name).set()


class Checks:
    """Each method is one check; its docstring is none of the client's business."""

    def __init__(self, channel, service, target):
        self.channel, self.seen, self.target = channel, service, target

    def call(self, kind, name):
        return getattr(self.channel, kind)(f"/test.Service/{name}")

    def unary(self):
        reply, call = self.call("unary_unary", "Unary").with_call(
            b"hello", metadata=[("x-asked", "this")], timeout=PATIENCE
        )
        assert reply == b"hello", reply
        assert call.code() is grpc.StatusCode.OK
        assert ("x-first", "this") in call.initial_metadata(), call.initial_metadata()
        trailing = dict(call.trailing_metadata())
        assert trailing["x-last"] == "end" and trailing["x-data-bin"] == b"\x00\xff\x01", trailing

    def unary_many_at_once(self):
        call = self.call("unary_unary", "Unary")
        pending = [call.future(str(number).encode(), timeout=PATIENCE) for number in range(200)]
        assert [reply.result() for reply in pending] == [str(number).encode() for number in range(200)]

    def client_stream(self):
        messages = (b"x" * number for number in range(1000))
        reply = self.call("stream_unary", "Collect")(messages, timeout=PATIENCE)
        assert reply == b"1000 499500", reply

    def server_stream(self):
        replies = list(self.call("unary_stream", "Count")(b"1000", timeout=PATIENCE))
        assert replies == [str(number).encode() for number in range(1000)], len(replies)

    def bidirectional(self):
        """Each message is sent only after the answer to the one before: nothing in between may wait for more."""
        turn = threading.Semaphore(1)

        def ask():
            for number in range(100):
                assert turn.acquire(timeout=PATIENCE)
                yield f"message {number}".encode()

        answers = 0
        for reply in self.call("stream_stream", "Chat")(ask(), timeout=PATIENCE):
            assert reply == f"message {answers}".encode()[::-1], reply
            answers += 1
            turn.release()
        assert answers == 100, answers

    def deadline(self):
        name = f"deadline {self.target}"
        begin = time.monotonic()
        try:
            self.call("unary_unary", "Forever")(name.encode(), timeout=1)
            raise AssertionError("the call ended")
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED, error
        assert time.monotonic() - begin < 10
        event = self.seen.event(name)
        assert event.wait(PATIENCE), "the server never saw the end"
        assert 0 < event.remaining < 1.5, f"the server knew of {event.remaining} s"

    def cancel(self):
        name = f"cancel {self.target}"
        first = threading.Event()

        def ask():
            yield b"one"
            first.wait(PATIENCE)

        call = self.call("stream_stream", "Chat")(ask(), metadata=[("x-name", name)], timeout=PATIENCE)
        assert next(call) == b"eno"
        call.cancel()
        assert call.code() is grpc.StatusCode.CANCELLED
        assert self.seen.event(name).wait(PATIENCE), "the server never saw the cancellation"
        first.set()

    def status_and_trailers(self):
        try:
            self.call("unary_unary", "Fail")(b"", timeout=PATIENCE)
            raise AssertionError("the call succeeded")
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.NOT_FOUND, error
            assert error.details() == "no such thing: \u00fc %", error.details()
            assert ("x-why", "test") in error.trailing_metadata(), error.trailing_metadata()

    def status_after_messages(self):
        replies = []
        try:
            for reply in self.call("unary_stream", "FailLate")(b"", timeout=PATIENCE):
                replies.append(reply)
            raise AssertionError("the call succeeded")
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, error
            assert ("x-why", "late") in error.trailing_metadata(), error.trailing_metadata()
        assert replies == [b"one", b"two"], replies

    def unknown_method(self):
        try:
            self.call("unary_unary", "Nothing")(b"", timeout=PATIENCE)
            raise AssertionError("the call succeeded")
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.UNIMPLEMENTED, error

    def four_megabytes(self):
        message = bytes(range(256)) * 4096 * 4
        assert len(message) == 4 * 1024 * 1024
        assert self.call("unary_unary", "Unary")(message, timeout=PATIENCE) == message


NAMES = [name for name in vars(Checks) if not name.startswith("_") and name != "call"]


def channel(target):
    if target["ca"] is None:
        return grpc.insecure_channel(target["address"], options=UNLIMITED)
    with open(target["ca"], "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    options = [*UNLIMITED, ("grpc.ssl_target_name_override", "grpc.test")]
    return grpc.secure_channel(target["address"], credentials, options=options)


def main():
    service = Service()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32), handlers=[service], options=UNLIMITED)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"server {port}", flush=True)
    failed = False
    for line in sys.stdin:
        target = json.loads(line)
        with channel(target) as opened:
            checks = Checks(opened, service, target["address"])
            for name in NAMES:
                try:
                    getattr(checks, name)()
                    print(f"ok {name}", flush=True)
                except Exception:
                    failed = True
                    print(f"FAILED {name}: {traceback.format_exc()}", flush=True)
    server.stop(None)
    sys.exit(failed)


if __name__ == "__main__":
    main()
