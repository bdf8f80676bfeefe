import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/** Orders that die young on four threads for 8 s; once 60 MiB of them are kept and sent from buffers off the heap. */
public class Orders {
    static volatile Object kept;

    public static void main(String[] arguments) throws InterruptedException {
        long end = System.nanoTime() + 8_000_000_000L;
        List<Thread> threads = new ArrayList<>();
        for (int number = 0; number < 4; number++) {
            Thread thread = new Thread(() -> take(end));
            thread.start();
            threads.add(thread);
        }
        Thread.sleep(4000);
        List<byte[]> result = new ArrayList<>();
        for (int count = 0; count < 60; count++) result.add(new byte[1 << 20]);
        send(result);
        for (Thread thread : threads) thread.join();
    }

    static void take(long end) {
        while (System.nanoTime() < end) {
            List<byte[]> orders = new ArrayList<>();
            for (int count = 0; count < 100; count++) orders.add(new byte[20_000]);
            kept = orders.get(0);
            Thread.yield();
        }
    }

    static void send(List<byte[]> result) throws InterruptedException {
        List<ByteBuffer> buffers = new ArrayList<>();
        for (byte[] part : result) buffers.add(ByteBuffer.allocateDirect(part.length).put(part));
        Thread.sleep(30);
        buffers.clear();
        System.gc(); // which is how a JVM learns that it may free them
    }
}
