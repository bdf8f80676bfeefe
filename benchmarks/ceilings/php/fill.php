<?php
// With FILL, a request takes nearly all that memory_limit allows. It holds it for long enough that others run beside it.
$unit = ['K' => 1 << 10, 'M' => 1 << 20, 'G' => 1 << 30];
$limit = ini_get('memory_limit');
$most = (int) $limit * ($unit[substr($limit, -1)] ?? 1);
if (getenv('FILL') || isset($_SERVER['FILL'])) {
    $kept = str_repeat('x', $most - (4 << 20));
}
usleep(300000);
echo "ok\n";
