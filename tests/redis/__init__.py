"""Does a real workload, redis, follow the leader live?"""
