import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;

/** A shop: each visitor has a basket that the next visit may replace, and each answer leaves garbage behind. */
public class Shop {
    private static final int VISITORS = 400;
    private static final Map<Integer, List<String>> BASKETS = new ConcurrentHashMap<>();

    public static void main(String[] arguments) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 8080), 64);
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.createContext("/", exchange -> {
            ThreadLocalRandom random = ThreadLocalRandom.current();
            List<String> basket = new ArrayList<>();
            for (int number = random.nextInt(2000); number > 0; number--) {
                basket.add("item " + number + " of " + random.nextLong());
            }
            BASKETS.put(random.nextInt(VISITORS), basket.subList(0, basket.size() / 4));
            byte[] body = String.join("\n", basket).getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, body.length == 0 ? -1 : body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
    }
}
