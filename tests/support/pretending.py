"""Parts of programs that pretend to be a runtime. The program defines `Fine`, `answer`, and imports what they use."""

LISTENS = """
path = f"/tmp/.java_pid{os.getpid()}"
server = socket.socket(socket.AF_UNIX); server.bind(path); server.listen()
def accept():
    while True:
        connection, _ = server.accept()
        connection.recv(100)
        try:
            answer(connection)
        except OSError:
            pass
        connection.close()
threading.Thread(target=accept, daemon=True).start()
"""
"""It listens where a JVM does, and gives each connection to `answer`."""
SERVES = """
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Fine).serve_forever()
"""
"""It serves HTTP by `Fine`."""
