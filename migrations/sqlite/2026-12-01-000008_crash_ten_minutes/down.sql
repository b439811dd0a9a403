drop table crash_ten_minutes;
