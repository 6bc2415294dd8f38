typedef struct {
  const char *request;
  size_t request_size;
  const char *answer;
  size_t answer_size;
  const char *handshake;
  size_t handshake_size;
  int port, connections, core, process;
  double warm_up, seconds;
} load_plan;

typedef struct {
  double count, seconds, cpu, median, high;
  char failure[160];
} load_result;

int load_run(const load_plan *plan, load_result *result);
long load_ask(int port, const char *request, size_t size, char *answer, size_t capacity);
double load_cpu(int process);
