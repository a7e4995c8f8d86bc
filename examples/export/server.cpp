// Answers with digits: each line that a client sends holds 64 pixels from 0 to 1, each answer is a digit.
//
//     server PORT state.safetensors
//
// One thread for each client; all read one state, each has an arena of its own. Listens on this machine only.
#include "libdigits.h"
#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

struct Free {
    void operator()(void *memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<void, Free>;

void serve(int client, digits_state *state) {
    int64_t bytes = digits_predict_arena_size(1);
    std::vector<char> arena(static_cast<std::size_t>(bytes) + 1);
    if (bytes)
        digits_arena_init(arena.data(), bytes);
    FILE *in = fdopen(client, "r+");
    if (!in) {
        close(client);
        return;
    }
    float image[64];
    int64_t digit = 0;
    for (;;) {
        for (float &pixel : image)
            if (std::fscanf(in, "%f", &pixel) != 1) {
                std::fclose(in);
                return;
            }
        int code = digits_predict(state, arena.data(), image, 1, &digit);
        if (code)
            dprintf(client, "error: %s\n", digits_strerror(code));
        else
            dprintf(client, "%d\n", static_cast<int>(digit));
    }
}

} // namespace

int main(int count, char **words) {
    if (count != 3) {
        std::fprintf(stderr, "usage: server PORT state.safetensors\n");
        return 2;
    }
    Memory memory(std::malloc(static_cast<std::size_t>(digits_state_size())));
    auto *state = static_cast<digits_state *>(memory.get());
    if (int code = digits_load(state, words[2])) {
        std::fprintf(stderr, "%s: %s\n", words[2], digits_strerror(code));
        return 1;
    }
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(std::atoi(words[1])));
    socklen_t length = sizeof address;
    if (bind(listener, reinterpret_cast<sockaddr *>(&address), length) || listen(listener, 16) ||
        getsockname(listener, reinterpret_cast<sockaddr *>(&address), &length)) {
        std::perror("server");
        return 1;
    }
    std::printf("listening on port %d\n", ntohs(address.sin_port));
    std::fflush(stdout);
    for (;;) {
        int client = accept(listener, nullptr, nullptr);
        if (client >= 0)
            std::thread(serve, client, state).detach();
    }
}
