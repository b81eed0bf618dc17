CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci COMMENT 'what we sell'
;;
CREATE DATABASE `odd.name "q` COLLATE utf8mb4_bin
;;
CREATE DATABASE `50%_größer`
;;
CREATE DATABASE empty
;;
CREATE TABLE shop.customers (
    id int AUTO_INCREMENT PRIMARY KEY COMMENT 'it''s the key',
    email varchar(200) COLLATE utf8mb4_bin NOT NULL DEFAULT 'NULL',
    nothing varchar(20) DEFAULT NULL,
    kind enum('small', 'big') NOT NULL DEFAULT 'small',
    score decimal(10, 2) DEFAULT 1.50,
    twice int AS (id2 * 2) STORED,
    half int AS (id2 / 2) VIRTUAL,
    id2 int UNIQUE CHECK (id2 > 0),
    secret int INVISIBLE DEFAULT 7,
    changed timestamp NOT NULL DEFAULT current_timestamp ON UPDATE current_timestamp,
    huge bigint unsigned,
    shape point,
    CONSTRAINT positive CHECK (score > 0),
    CONSTRAINT same_name UNIQUE (email),
    KEY backwards (score DESC, email(10)) COMMENT 'not straight',
    FULLTEXT KEY words (nothing)
) ENGINE = InnoDB COMMENT = 'who buys'
;;
CREATE TABLE shop.Customers (
    `b` int, `a` int, other int,
    PRIMARY KEY (`b`, `a`),
    CONSTRAINT to_customers FOREIGN KEY (other) REFERENCES shop.customers (id)
        ON DELETE SET NULL ON UPDATE CASCADE
)
;;
CREATE TABLE shop.orders (
    id int PRIMARY KEY, x int, y int,
    CONSTRAINT composite FOREIGN KEY (y, x) REFERENCES shop.Customers (`b`, `a`)
)
;;
CREATE TABLE shop.history (a int) WITH SYSTEM VERSIONING
;;
CREATE TABLE shop.parts (a int) PARTITION BY RANGE (a)
    (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)
;;
CREATE TABLE shop.mine (a int, b varchar(10)) ENGINE = MyISAM
;;
CREATE SEQUENCE shop.numbers START WITH 5 INCREMENT BY 2
;;
CREATE VIEW shop.big_customers AS SELECT id, email FROM shop.customers WHERE kind = 'big'
;;
CREATE TABLE shop.gone (a int)
;;
CREATE VIEW shop.broken AS SELECT a FROM shop.gone
;;
DROP TABLE shop.gone
;;
CREATE TRIGGER shop.before_insert BEFORE INSERT ON shop.customers FOR EACH ROW SET NEW.secret = 1
;;
CREATE TRIGGER shop.after_update AFTER UPDATE ON shop.Customers FOR EACH ROW SET @changed = 1
;;
CREATE PROCEDURE shop.twin(IN a int, OUT b varchar(5)) COMMENT 'a pair' BEGIN SET b = 'a'; END
;;
CREATE FUNCTION shop.twin(a int, b text) RETURNS int DETERMINISTIC RETURN a
;;
CREATE PROCEDURE shop.alone() BEGIN END
;;
CREATE FUNCTION shop.alone() RETURNS int DETERMINISTIC RETURN 1
;;
CREATE TABLE `odd.name "q`.`back``tick` (`it's` int, `new
line` int COMMENT 'say "yes"', `dot.ted` int, `ünï` int DEFAULT 3, `100%s` int, `%(x)s` int)
;;
CREATE TABLE `odd.name "q`.`back\slash` (a int PRIMARY KEY, UNIQUE `in``dex` (a))
;;
CREATE TABLE `50%_größer`.`Ä` (a int)
;;
CREATE TABLE `50%_größer`.`ä` (a int)
;;
CREATE TABLE `50%_größer`.`aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` (a int)
