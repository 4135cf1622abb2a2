/*
 * A store for the lab in plain C over one file: a log of puts and deletes, each with a checksum, replayed when it is
 * opened. One operation a commit, no scans. Lines of JSON on standard input and output, as docs/LAB.md has them.
 *
 *     cc -O2 -o log_store log_store.c && davenport lab check --store ./log_store
 *
 * The lab writes its requests without spaces, with members in the order of docs/LAB.md, and bytes as base64: so a search for
 * the member's name is all the JSON that is needed. Keys and values stay base64 here, in memory and in the file:
 *
 *     CHECKSUM put KEY VALUE \n        CHECKSUM del KEY - \n
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct entry {
  struct entry *next;
  char *key, *value; /* no value: deleted */
};

#define BUCKETS 4096
static struct entry *table[BUCKETS];
static int file = -1;

static uint32_t hash(const char *text) { /* FNV-1a */
  uint32_t h = 2166136261u;
  for (; *text; text++) h = (h ^ (unsigned char)*text) * 16777619u;
  return h;
}

static struct entry *find(const char *key) {
  struct entry **bucket = &table[hash(key) % BUCKETS];
  for (struct entry *e = *bucket; e; e = e->next)
    if (!strcmp(e->key, key)) return e;
  struct entry *e = calloc(1, sizeof *e);
  e->key = strdup(key);
  e->next = *bucket;
  return *bucket = e;
}

static void apply(const char *key, const char *value) {
  struct entry *e = find(key);
  free(e->value);
  e->value = value ? strdup(value) : NULL;
}

/* Appends a record, whole, and syncs it. */
static int append(const char *key, const char *value, int durable) {
  char *body, *record;
  int length;
  if (asprintf(&body, "%s %s %s", value ? "put" : "del", key, value ? value : "-") < 0) return -1;
  length = asprintf(&record, "%08x %s\n", hash(body), body);
  free(body);
  if (length < 0) return -1;
  for (int done = 0; done < length;) {
    ssize_t n = write(file, record + done, length - done);
    if (n < 0) return -1;
    done += n;
  }
  free(record);
  return durable ? fdatasync(file) : 0;
}

/* Replays the log, and cuts off what is not whole at its end. */
static int open_log(const char *folder) {
  char *path;
  int directory = open(folder, O_RDONLY);
  if (directory < 0 || asprintf(&path, "%s/log", folder) < 0) return -1;
  file = open(path, O_RDWR | O_CREAT | O_APPEND, 0644);
  FILE *log = file < 0 ? NULL : fopen(path, "r");
  if (!log || fsync(directory)) return -1;
  close(directory);
  char *line = NULL;
  size_t room = 0;
  off_t end = 0;
  for (ssize_t n; (n = getline(&line, &room, log)) > 0; end += n) {
    if (n < 14 || line[n - 1] != '\n' || memchr(line, 0, n)) break;
    line[n - 1] = 0;
    if (strtoul(line, NULL, 16) != hash(line + 9)) break;
    char *key = line + 13, *space = strchr(key, ' ');
    if (!space) break;
    *space = 0;
    apply(key, line[9] == 'p' ? space + 1 : NULL);
  }
  free(line);
  fclose(log);
  return ftruncate(file, end) || fdatasync(file) ? -1 : 0;
}

/* The text between the end of `name` and the next quote, as a string of its own. */
static char *member(char *line, const char *name) {
  char *from = strstr(line, name);
  if (!from) return NULL;
  from += strlen(name);
  return strndup(from, strcspn(from, "\""));
}

static int answer(char *line) {
  char *key, *value;
  if (strstr(line, "\"do\":\"open\"")) return open_log(member(line, "\"folder\":\""));
  if (strstr(line, "\"do\":\"commit\"")) {
    int durable = strstr(line, "\"durable\":true") != NULL, is_put = strstr(line, "[[\"put\",\"") != NULL;
    const char *before = is_put ? "[[\"put\",\"" : "[[\"delete\",\"";
    key = member(line, before);
    if (!key) return -1;
    value = is_put ? strstr(line, before) + strlen(before) + strlen(key) + 3 : NULL;
    if (value) value[strcspn(value, "\"")] = 0;
    if (append(key, value, durable)) return -1;
    apply(key, value);
    free(key);
  }
  if (strstr(line, "\"do\":\"get\"")) {
    struct entry *e = find(key = member(line, "\"key\":\""));
    if (e->value) printf(",\"value\":\"%s\"", e->value);
    else printf(",\"value\":null");
    free(key);
  }
  return 0;
}

int main(void) {
  char *line = NULL;
  size_t room = 0;
  while (getline(&line, &room, stdin) > 0) {
    char *id = strstr(line, "\"id\":");
    printf("{\"id\":%ld", id ? strtol(id + 5, NULL, 10) : 0);
    if (strstr(line, "\"do\":\"hello\""))
      printf(",\"name\":\"c-log\",\"capabilities\":{\"transactions\":false,\"orderedScans\":false,"
             "\"concurrentWriters\":false,\"multipleProcesses\":false,\"fileSystem\":false}");
    else if (answer(line)) {
      printf(",\"error\":\"the log cannot be used\"}\n");
      fflush(stdout);
      continue;
    }
    printf(",\"ok\":true}\n");
    fflush(stdout);
  }
  return 0;
}
