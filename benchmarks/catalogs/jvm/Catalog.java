import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;

/** A cache of 400 entries: each request replaces one, and leaves garbage behind. KEPT_BYTES is the size of an entry. */
public class Catalog {
    private static final int ENTRIES = 400;
    private static final int KEPT_BYTES = Integer.parseInt(System.getenv().getOrDefault("KEPT_BYTES", "100000"));
    private static final AtomicInteger REQUESTS = new AtomicInteger();
    private static final Map<Integer, byte[]> CACHE = new ConcurrentHashMap<>();

    public static void main(String[] arguments) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 8080), 64);
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.createContext("/", exchange -> {
            ThreadLocalRandom random = ThreadLocalRandom.current();
            List<String> garbage = new ArrayList<>();
            for (int number = random.nextInt(2000); number > 0; number--) {
                garbage.add("item " + number + " of " + random.nextLong());
            }
            CACHE.put(REQUESTS.getAndIncrement() % ENTRIES, new byte[KEPT_BYTES]);
            byte[] body = String.join("\n", garbage).getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, body.length == 0 ? -1 : body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
    }
}
