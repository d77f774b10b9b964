<?php
// A webhook after the samples of Telerivet's document that answers what the message's content asks for, well and badly:
// SECRET=… php -S 127.0.0.1:PORT answers.php

if ($_SERVER['REQUEST_METHOD'] === 'GET') {
    exit;
}
if (!isset($_POST['secret']) || $_POST['secret'] !== getenv('SECRET')) {
    header('HTTP/1.1 403 Forbidden');
    exit('Invalid webhook secret');
}
$answers = [
    'autoreply' => fn() => json_encode(['messages' => [['content' => 'Thanks for your message!']]]),
    'two' => fn() => json_encode(['messages' => [
        ['content' => "Zoë & 李 \u{1F680}"],
        ['to_number' => '*104*12312312*456#', 'message_type' => 'ussd'],
    ]]),
    'variables' => fn() => json_encode(['variables' => [
        'contact.name' => 'John Smith', '$foo' => 42, '$half' => 1.5, '$yes' => true, '$none' => null, '$big' => PHP_INT_MAX,
    ]]),
    'nothing' => fn() => '',
    'broken' => fn() => '{"messages":[{"content":"x"},]}',
    'wrong' => fn() => json_encode(['messages' => [['content' => ['not', 'a', 'text']]]]),
    'nested' => fn() => json_encode(['variables' => ['$foo' => ['a' => 1]]]),
    'thousands' => fn() => json_encode(['messages' => array_fill(0, 3000, ['content' => 'x'])]),
    'huge' => fn() => json_encode(['messages' => [['content' => str_repeat('x', 5000000)]]]),
    'deep' => fn() => str_repeat('[', 20000) . str_repeat(']', 20000),
];
header($_POST['content'] === 'text' ? 'Content-Type: text/html' : 'Content-Type: application/json');
echo ($answers[$_POST['content']] ?? $answers['autoreply'])();
