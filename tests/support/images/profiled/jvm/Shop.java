import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;

/** A shop that keeps a catalog, and GROWTH_MIB of an index, of INDEX_KIND: arrays, entries or buffers. */
public class Shop {
    record Entry(long from, long to) {}

    private static final List<Object> INDEX = new ArrayList<>();
    private static final List<String> CATALOG = new ArrayList<>();

    private static void buildArrays(int mib) {
        for (int number = 0; number < mib * 16; number++) {
            INDEX.add(new byte[(64 << 10) - 16]);
        }
    }

    private static void buildEntries(int mib) {
        Object[] entries = new Object[mib * (1 << 15)];
        for (int number = 0; number < entries.length; number++) {
            entries[number] = new Entry(number, number + 1);
        }
        INDEX.add(entries);
    }

    private static void buildBuffers(int mib) {
        for (int number = 0; number < mib; number++) {
            ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 20);
            while (buffer.hasRemaining()) {
                buffer.putLong(number);
            }
            INDEX.add(buffer);
        }
    }

    private static void load(int count) {
        for (int number = 0; number < count; number++) {
            CATALOG.add("item number " + number + " of " + count);
        }
    }

    public static void main(String[] arguments) throws Exception {
        int mib = Integer.parseInt(System.getenv().getOrDefault("GROWTH_MIB", "0"));
        load(100_000);
        switch (System.getenv().getOrDefault("INDEX_KIND", "arrays")) {
            case "entries" -> buildEntries(mib);
            case "buffers" -> buildBuffers(mib);
            default -> buildArrays(mib);
        }
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 8080), 64);
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.createContext("/", exchange -> {
            ThreadLocalRandom random = ThreadLocalRandom.current();
            List<String> garbage = new ArrayList<>();
            for (int number = random.nextInt(2000); number > 0; number--) {
                garbage.add("item " + number + " of " + random.nextLong());
            }
            byte[] body = String.join("\n", garbage).getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, body.length == 0 ? -1 : body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
    }
}
