#!/bin/sh
# Trains a softmax classifier that tells penguin species by four measurements: mini-batch gradient descent, in awk, so
# that it runs on every Linux. Prints the loss as it falls and the accuracy on the fifth of the birds that it never saw.
#
# From the environment, each with a default:
#   LR      learning rate            EPOCHS  passes over the data
#   SEED    of weights and order     BATCH   birds per step
#   PACE    seconds between two printed epochs, so that a person can watch; 0 for none
# The data: penguins.csv beside this script (README.md there names source and licence).
set -u
LC_ALL=C
export LC_ALL
dir=$(dirname "$0")

exec awk -F, -v lr="${LR:-0.1}" -v epochs="${EPOCHS:-40}" -v seed="${SEED:-1}" -v batch="${BATCH:-16}" \
    -v pace="${PACE:-0.2}" '
# Lehmer generator: the same numbers in every awk.
function random() { state = (state * 16807) % 2147483647; return state / 2147483647 }
function shuffle(list, n,   i, j, t) {
    for (i = n; i > 1; i--) { j = 1 + int(random() * i); t = list[i]; list[i] = list[j]; list[j] = t }
}
# Probabilities of all classes for one bird, into p[]; returns the likeliest class.
function predict(bird,   c, f, z, top, sum, best) {
    best = 1
    for (c = 1; c <= classes; c++) {
        z = w[c, 0]
        for (f = 1; f <= 4; f++) z += w[c, f] * x[bird, f]
        p[c] = z
        if (z > p[best]) best = c
    }
    top = p[best]
    for (c = 1; c <= classes; c++) { p[c] = exp(p[c] - top); sum += p[c] }
    for (c = 1; c <= classes; c++) p[c] /= sum
    return best
}
# One step of gradient descent over order[from..to]; returns the sum of the losses, and counts hits.
function step(from, to,   i, c, f, bird, d, loss, g) {
    for (i = from; i <= to; i++) {
        bird = order[i]
        if (predict(bird) == y[bird]) hits++
        loss -= log(p[y[bird]] > 1e-300 ? p[y[bird]] : 1e-300)
        for (c = 1; c <= classes; c++) {
            d = p[c] - (c == y[bird])
            g[c, 0] += d
            for (f = 1; f <= 4; f++) g[c, f] += d * x[bird, f]
        }
    }
    for (c = 1; c <= classes; c++)
        for (f = 0; f <= 4; f++) w[c, f] -= lr * g[c, f] / (to - from + 1)
    return loss
}
NR > 1 && NF == 5 {
    if (!($1 in class)) { class[$1] = ++classes; name[classes] = $1 }
    y[++birds] = class[$1]
    for (f = 1; f <= 4; f++) x[birds, f] = $(f + 1)
}
END {
    if (birds < 10) { print "no data" > "/dev/stderr"; exit 1 }
    # The same test birds for every seed.
    state = 20140305
    for (i = 1; i <= birds; i++) order[i] = i
    shuffle(order, birds)
    trained = int(birds * 0.8)
    for (i = trained + 1; i <= birds; i++) { test[i] = order[i]; delete order[i] }
    # Each measurement to mean 0 and deviation 1.
    for (f = 1; f <= 4; f++) {
        sum = 0; squares = 0
        for (i = 1; i <= trained; i++) { v = x[order[i], f]; sum += v; squares += v * v }
        mean = sum / trained; deviation = sqrt(squares / trained - mean * mean)
        for (i = 1; i <= birds; i++) x[i, f] = (x[i, f] - mean) / deviation
    }
    state = seed * 7919 + 1
    for (c = 1; c <= classes; c++) for (f = 0; f <= 4; f++) w[c, f] = (random() - 0.5) * 2

    printf "%d birds of %d species, %d to train on; learning rate %s, seed %s, batches of %d\n", \
        birds, classes, trained, lr, seed, batch
    for (epoch = 1; epoch <= epochs; epoch++) {
        shuffle(order, trained)
        loss = 0; hits = 0
        for (from = 1; from <= trained; from += batch) {
            to = from + batch - 1 > trained ? trained : from + batch - 1
            loss += step(from, to); steps++
        }
        printf "epoch %3d/%d  step %5d  loss %.4f  accuracy %.3f\n", epoch, epochs, steps, loss / trained, hits / trained
        fflush()
        if (pace > 0) system("sleep " pace)
    }
    right = 0
    for (i = trained + 1; i <= birds; i++) right += predict(test[i]) == y[test[i]]
    printf "test accuracy %.3f (%d of %d)\n", right / (birds - trained), right, birds - trained
}' "$dir/penguins.csv"
