<?php
// Each line of standard input is a form; what PHP reads of it, as a line of JSON.
foreach (file('php://stdin', FILE_IGNORE_NEW_LINES) as $line) {
    parse_str($line, $fields);
    echo json_encode($fields, JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR), "\n";
}
