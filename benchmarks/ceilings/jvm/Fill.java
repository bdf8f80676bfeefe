import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;

/** Each request to /fill keeps 4 MiB of the heap until half of it is kept, and replaces some of it from then on.
 *  So the collector needs the whole heap. Each request to /direct does the same with direct buffers, until none is left. */
public class Fill {
    private static final int PIECE = 64 << 10, PIECES = 64;
    private static final long MOST = Runtime.getRuntime().maxMemory() / 2;
    private static final List<byte[]> KEPT = new ArrayList<>();
    private static final List<ByteBuffer> DIRECT = new ArrayList<>();

    public static void main(String[] arguments) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 8080), 64);
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.createContext("/", Fill::answer);
        server.createContext("/fill", exchange -> {
            fill();
            answer(exchange);
        });
        server.createContext("/direct", exchange -> {
            direct();
            answer(exchange);
        });
        server.start();
    }

    private static void answer(HttpExchange exchange) throws IOException {
        exchange.sendResponseHeaders(200, -1);
        exchange.close();
    }

    private static synchronized void fill() {
        for (int number = 0; number < PIECES; number++) {
            byte[] piece = new byte[PIECE];
            if ((long) KEPT.size() * PIECE < MOST) {
                KEPT.add(piece);
            } else {
                KEPT.set(ThreadLocalRandom.current().nextInt(KEPT.size()), piece);
            }
        }
    }

    private static synchronized void direct() {
        try {
            for (int number = 0; number < PIECES; number++) {
                ByteBuffer buffer = ByteBuffer.allocateDirect(PIECE);
                while (buffer.hasRemaining()) {
                    buffer.put((byte) 1);
                }
                DIRECT.add(buffer);
            }
        } catch (OutOfMemoryError full) {
            return; // -XX:MaxDirectMemorySize is reached: the JVM refuses, and lives on
        }
    }
}
