<?php
// A receiver on PHP's built-in server that checks what it gets as Telerivet's document tells its readers to:
// SECRET=… SEEN=FILE php -S 127.0.0.1:PORT receiver.php. GET /seen is what passed the check.

$file = getenv('SEEN');
if ($_SERVER['REQUEST_METHOD'] === 'GET') {
    header('Content-Type: application/json');
    $lines = file_exists($file) ? file($file) : [];
    echo '[' . implode(',', $lines) . ']';
} elseif (!isset($_POST['secret']) || $_POST['secret'] !== getenv('SECRET')) {
    header('HTTP/1.1 403 Forbidden');
    echo 'wrong secret';
} else {
    $row = ['path' => $_SERVER['REQUEST_URI'], 'body' => $_POST];
    file_put_contents($file, json_encode($row) . "\n", FILE_APPEND | LOCK_EX);
    if ($_POST['event'] === 'incoming_message') {
        header('Content-Type: application/json');
        echo json_encode(['messages' => [['content' => 'Thank you']]]);
    }
}
