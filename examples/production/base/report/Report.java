import java.util.HashMap;
import java.util.Map;
import java.util.Random;

/** A nightly report: all orders stay in memory, and each round of sums makes garbage. */
public class Report {
    record Order(int customer, String product, int cents) {}

    public static void main(String[] arguments) {
        Random random = new Random(1);
        Order[] orders = new Order[100_000];
        for (int number = 0; number < orders.length; number++) {
            orders[number] = new Order(random.nextInt(5_000), "product " + random.nextInt(1_000), random.nextInt(10_000));
        }
        long total = 0;
        for (int day = 0; day < 10; day++) {
            Map<String, Long> sums = new HashMap<>();
            for (Order order : orders) {
                sums.merge(order.customer() % 50 + " " + order.product(), (long) order.cents(), Long::sum);
            }
            total += sums.size();
        }
        System.out.println(total);
    }
}
